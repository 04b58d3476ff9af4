ARG NODE=node:22-slim

FROM ${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/setup.mjs scripts/
COPY src src
RUN npm run build

FROM ${NODE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# onnxruntime-node brings the libraries of every platform, 250 MB: this image needs one
RUN npm ci --omit=dev --no-audit --no-fund \
 && cd node_modules/onnxruntime-node/bin/napi-v* \
 && keep="linux/$(node -p process.arch)" \
 && test -d "$keep" \
 && find . -mindepth 2 -maxdepth 2 -type d ! -path "./$keep" -exec rm -r {} + \
 && find /app/node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM ${NODE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fraudstream" \
      org.opencontainers.image.description="Real-time fraud detection on Kafka: one explained decision per payment" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY package.json LICENSE ./
COPY schemas schemas
COPY config config
COPY models models
COPY --from=build /app/dist dist
# by number: an orchestrator can then see that it is not root
USER 1000:1000
EXPOSE 9464
STOPSIGNAL SIGTERM
# for `run`; the other commands serve nothing and end by themselves
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.FRAUDSTREAM_HTTP_PORT ?? 9464}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["run"]

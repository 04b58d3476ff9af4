#!/usr/bin/env bash
# Brings the whole of docker-compose.yml up under a name of its own, reads decisions with Kafka's console consumer, and
# takes everything down again. Exit code 0 when decisions were seen.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wanted=${1:-20}

# away from a stack that may already run here
export COMPOSE_PROJECT_NAME=fraudstream-smoke
export KAFKA_PORT=${KAFKA_PORT:-39092} REDIS_PORT=${REDIS_PORT:-36379} HTTP_PORT=${HTTP_PORT:-39464}

say() { printf '[%4ss] %s\n' "$SECONDS" "$*"; }
finish() {
  local code=$?
  [ "$code" = 0 ] || { docker compose ps -a; docker compose logs --no-color --tail 50; } || true
  docker compose down -v --remove-orphans >/dev/null 2>&1 || true
  exit "$code"
}
trap finish EXIT

docker compose down -v --remove-orphans >/dev/null 2>&1 || true
docker compose up -d --build --wait --wait-timeout 240
say 'every service is up'

say "waiting for $wanted decisions"
seen=$(docker compose exec -T kafka /opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server localhost:19092 \
  --topic decisions --from-beginning --max-messages "$wanted" --timeout-ms 60000 \
  --formatter-property print.offset=true --formatter-property print.partition=true --formatter-property print.value=false |
  grep 'Partition:' | tee /dev/stderr | wc -l)
[ "$seen" = "$wanted" ] || { say "only $seen decisions came"; exit 1; }

say 'stopping the processor'
docker compose stop processor
code=$(docker inspect --format '{{.State.ExitCode}}' "$(docker compose ps -aq processor)")
[ "$code" = 0 ] || { say "the processor left with exit code $code on SIGTERM"; exit 1; }
say "ok: $seen decisions seen, the processor drained and left with exit code 0"

// Seeded payments whose users follow Zipf's law, as the benchmarks of other stream processors have them. They are as
// large as real ones and have their fields; what is fraud in them is chance.

function random32(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @returns a function from [0, 1) to 0 … count - 1, where k has a share proportional to 1 / (k + 1) ** exponent */
function zipf(count, exponent) {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let k = 0; k < count; k++) upTo[k] = sum += 1 / (k + 1) ** exponent;
  return (unit) => {
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (upTo[middle] < unit * sum) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

const MCCS = Array.from({ length: 24 }, (_, k) => String(5_000 + k * 37));
const COUNTRIES = ['DE', 'FR', 'AT', 'US', 'GB', 'ES', 'IT', 'NL'];
const FAVOURITES = 12;

/** A user's own number from its id: the habits need no memory. */
const habit = (user, what) => (Math.imul(user + 1, 0x9e3779b1) ^ Math.imul(what + 1, 0x85ebca6b)) >>> 0;

/** @returns a function from (number, event time in ms) to a payment */
export function paymentMaker({ users, exponent = 1, seed = 7 }) {
  const random = random32(seed);
  const userOf = zipf(users, exponent);
  const merchantOf = zipf(5_000, 1);
  const prefix = Math.floor(random() * 2 ** 32).toString(36);
  return (number, timeMs) => {
    const user = userOf(random());
    const own = Math.floor(random() ** 2 * FAVOURITES);
    const merchant = random() < 0.85 ? habit(user, own) % 5_000 : merchantOf(random());
    const online = random() < 0.35;
    const home = habit(user, 101);
    return {
      transaction_id: `t_${prefix}_${number}`,
      user_id: `u_${user}`,
      event_time: timeMs,
      amount_minor: Math.floor(Math.exp(6 + random() * 1.5 + random() * 1.5)) + 1,
      currency: 'EUR',
      card_id: `c_${user}_${random() < 0.9 ? 0 : 1}`,
      merchant_id: `m_${merchant}`,
      mcc: MCCS[merchant % MCCS.length],
      terminal_id: online ? null : `p_${merchant}_${habit(user, merchant) % 3}`,
      device_id: online ? `d_${user}_${random() < 0.9 ? 0 : 1}` : null,
      ip: online ? `10.${user % 250}.0.${Math.floor(random() ** 4 * 20)}` : null,
      country: COUNTRIES[random() < 0.99 ? home % 3 : Math.floor(random() * COUNTRIES.length)],
      channel: online ? 'ECOM' : random() < 0.1 ? 'ATM' : 'POS',
      lat: online ? null : 48 + (home % 500) / 100 + random() / 50,
      lon: online ? null : 8 + (home % 700) / 100 + random() / 50,
      attributes: { auth_result: random() < 0.02 ? 'declined' : 'approved' },
    };
  };
}

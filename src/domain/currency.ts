/**
 * ISO 4217 codes that money can be paid in, by the digits of their minor unit (list one of 2026). Left out are the codes
 * that have no minor unit: metals, bond units, special drawing rights, testing.
 */
const DIGITS_2 =
  'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE ' +
  'CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD ' +
  'HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK ' +
  'MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD ' +
  'RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH ' +
  'USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG ';
const DIGITS_0 = 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF';
const DIGITS_3 = 'BHD IQD JOD KWD LYD OMR TND';
const DIGITS_4 = 'CLF UYW';
/** Withdrawn since 2016, still accepted: a replay reaches back in time, and so do refunds. */
const WITHDRAWN_2 = 'ANG BGN CUC HRK MRO SLL STD VEF ZWL';
const WITHDRAWN_0 = 'BYR';

/** digits + 1 of the code at ((a * 26) + b) * 26 + c; 0 where there is no such code: no hash of a string per payment */
const TABLE = new Uint8Array(26 * 26 * 26);
const fill = (codes: string, digits: number): void => {
  for (const code of codes.trim().split(' ')) TABLE[indexOf(code)] = digits + 1;
};
fill(DIGITS_2, 2);
fill(DIGITS_0, 0);
fill(DIGITS_3, 3);
fill(DIGITS_4, 4);
fill(WITHDRAWN_2, 2);
fill(WITHDRAWN_0, 0);

/** How many decimals the minor unit has (EUR 2, JPY 0, KWD 3); null when it is no ISO 4217 code. */
export function minorUnitDigits(currency: string): number | null {
  const entry = currency.length === 3 ? (TABLE[indexOf(currency)] ?? 0) : 0;
  return entry === 0 ? null : entry - 1;
}

export function isCurrency(currency: string): boolean {
  return minorUnitDigits(currency) !== null;
}

/** -1 unless it is three capitals. */
function indexOf(code: string): number {
  const a = code.charCodeAt(0) - 65;
  const b = code.charCodeAt(1) - 65;
  const c = code.charCodeAt(2) - 65;
  const capitals = a >= 0 && a < 26 && b >= 0 && b < 26 && c >= 0 && c < 26;
  return capitals ? (a * 26 + b) * 26 + c : -1;
}

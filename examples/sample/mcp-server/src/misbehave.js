// Ways to fail on purpose. A variant commit may set defaults here; the environment wins.
const defaults = {};

const value = (name) => process.env[name] ?? defaults[name] ?? "";
const enabled = (name) => !["", "0", "false", "no"].includes(value(name));
const seconds = (name) => Number(value(name)) || 0;

export const failStart = () => enabled("SAMPLE_FAIL_START");
export const hangOnStop = () => enabled("SAMPLE_HANG_ON_STOP");
export const startDelay = () => seconds("SAMPLE_START_DELAY") * 1000;
export const claimedVersion = (real) => value("SAMPLE_VERSION") || real;

export function failHealth() {
  const after = seconds("SAMPLE_FAIL_HEALTH_AFTER");
  return enabled("SAMPLE_FAIL_HEALTH") || (after > 0 && process.uptime() > after);
}

const ranks = { error: 0, warn: 1, info: 2, debug: 3 };

// A logger that writes one JSON object per line to stdout.
export function makeLog(threshold) {
  const at = (level) => (message, fields = {}) => {
    if (ranks[level] > ranks[threshold]) return;
    const line = { timestamp: new Date().toISOString(), level, message, ...fields };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  return { error: at("error"), warn: at("warn"), info: at("info"), debug: at("debug") };
}

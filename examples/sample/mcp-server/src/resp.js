// The redis protocol: commands out, answers in.

export function encode(words) {
  const parts = [`*${words.length}\r\n`];
  for (const word of words) {
    parts.push(`$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  }
  return parts.join("");
}

// Takes one answer off the front of a buffer: {value, rest}, or null while it is incomplete.
// An error answer is an Error as value.
export function decode(buffer) {
  const end = buffer.indexOf("\r\n");
  if (end < 0) return null;
  const line = buffer.toString("utf8", 1, end);
  const rest = buffer.subarray(end + 2);
  switch (String.fromCharCode(buffer[0])) {
    case "+":
      return { value: line, rest };
    case "-":
      return { value: new Error(line), rest };
    case ":":
      return { value: Number(line), rest };
    case "$": {
      const length = Number(line);
      if (length < 0) return { value: null, rest };
      if (rest.length < length + 2) return null;
      return { value: rest.toString("utf8", 0, length), rest: rest.subarray(length + 2) };
    }
    default:
      throw new Error(`unexpected answer from redis: ${line}`);
  }
}

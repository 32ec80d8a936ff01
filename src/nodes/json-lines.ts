import type { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** Longer than any message of ours: a claim's body is at most 1 MB. */
const maxLineBytes = 4 * 1024 * 1024;

/** Calls back for each line of JSON that arrives. What is no JSON, or has no end, closes the stream: its sender is not one of us. */
export function readJsonLines(stream: Duplex, onMessage: (message: unknown) => void): void {
  let rest = '';
  const decoder = new StringDecoder('utf8'); // a character may arrive in two chunks; an upgraded socket refuses setEncoding
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    try {
      for (const line of lines) onMessage(JSON.parse(line));
      if (rest.length > maxLineBytes) throw new Error(`a line is longer than ${maxLineBytes} bytes`);
    } catch {
      stream.destroy(); // the error would quote the text, and the text may hold secrets
    }
  });
}

/** Messages that are sent in one turn of the event loop go out together: under load, one call of the kernel carries many. */
export function writeJsonLine(stream: Duplex, message: unknown): void {
  if (stream.writableCorked === 0) {
    stream.cork();
    process.nextTick(() => stream.uncork());
  }
  stream.write(`${JSON.stringify(message)}\n`);
}

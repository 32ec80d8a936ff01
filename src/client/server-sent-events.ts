/** One message of a stream. A comment that moves the reader's place on is one with an id and no data. */
interface StreamMessage {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/**
 * Reads a stream of server-sent events as it comes; a message that breaks off is left out. Throws when the signal aborts: that of the request
 * alone is not always heard (fetch of Node 24 forgets it at a garbage collection).
 */
export async function* readMessages(stream: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<StreamMessage, void> {
  let rest = '';
  for await (const text of stream.pipeThrough(new TextDecoderStream(), { signal })) {
    const blocks = `${rest}${text}`.split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? '';
    for (const block of blocks) yield parseMessage(block);
  }
}

function parseMessage(block: string): StreamMessage {
  const fields = block.split(/\r?\n/).map((line) => /^(\w+): ?(.*)$/s.exec(line) ?? []);
  const all = (name: string) => fields.filter(([, field]) => field === name).map(([, , value = '']) => value);
  return { id: all('id').at(-1), event: all('event').at(-1) ?? 'message', data: all('data').join('\n') };
}

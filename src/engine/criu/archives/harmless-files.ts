import { readdirSync } from 'node:fs';
import { archiveUnsupported } from './archive-problems.ts';
import { type Field, messageOf, numberOf } from './protobuf.ts';
import { forEachEntry, readFirstEntry } from './read-image.ts';

/** Numbers of file_entry and inet_sk_entry in CRIU's fdinfo.proto and sk-inet.proto, of ghost_file_entry in ghost-file.proto. */
const fileField = { type: 1, socket: 4 };
const socketType = 4;
const ghostMode = 3;

/** What only CRIU, who is root, can open: packet sockets, network devices, BPF maps. */
const privileged: Readonly<Record<number, string>> = { 10: 'a packet socket', 15: 'a network device', 19: 'a BPF map' };
const rawSocket = 3;
const formatMask = 0o170000;
const deviceFormats = [0o020000, 0o060000];

/**
 * What CRIU opens for a clone, and may be nothing that no instance of ours could open by itself: by files.img the sockets, by ghost-file images
 * what was deleted while it was open, device nodes among it. Throws archive_unsupported and archive_invalid.
 */
export function requireHarmlessFiles(directory: string): void {
  forEachEntry(directory, 'files.img', (entry) => {
    const what = whatOnlyRootOpens(entry);
    if (what !== undefined) throw holds(what);
  });
  for (const name of readdirSync(directory).filter((file) => /^ghost-file-[0-9a-f]+\.img$/.test(file))) {
    const mode = numberOf(readFirstEntry(directory, name), ghostMode) ?? 0;
    if (deviceFormats.includes(mode & formatMask)) throw holds('a device that was deleted');
  }
}

function whatOnlyRootOpens(entry: readonly Field[]): string | undefined {
  if (numberOf(messageOf(entry, fileField.socket), socketType) === rawSocket) return 'a raw socket';
  return privileged[numberOf(entry, fileField.type) ?? 0];
}

function holds(what: string) {
  return archiveUnsupported(`the container holds ${what} open`, 'Let the app close it, or run it without the right to open one.');
}

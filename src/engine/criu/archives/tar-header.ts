import { type Extract, extract, type Header } from 'tar-stream';
import { z } from 'zod';

/** The content of an entry that is being read. */
export type EntryContent = Extract extends AsyncIterable<infer Content> ? Content : never;

/** What an entry can be told of when it is written; the rest has defaults. */
export type EntryHeader = Partial<Header> & Pick<Header, 'name'>;

const readOptions = { filenameEncoding: 'latin1', highWaterMark: 1 << 16 };

const Pax = z.object({ pax: z.object({ path: z.string().optional(), linkpath: z.string().optional() }).catchall(z.string()).nullish() });
const attributePrefix = 'SCHILY.xattr.';

export interface TarHeader {
  /** `unknown`: of GNU's own, as sparse files and volumes. */
  readonly type: Header['type'] | 'unknown';
  /** Names are bytes, one in each character. */
  readonly name: string;
  readonly linkName: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  readonly device: { readonly major: number; readonly minor: number };
  /** Names of the extended attributes. */
  readonly attributes: readonly string[];
  /** A file whose holes are told in a header: what it unpacks to has nothing to do with its size. */
  readonly isSparse: boolean;
}

/** Names are bytes: tar-stream keeps them so in headers (an option that its types lack); those in a PAX header it reads as UTF-8. */
export function readTar(): Extract {
  return extract(readOptions);
}

export function readHeader(header: Header): TarHeader {
  const { path, linkpath, ...more } = Pax.parse(header).pax ?? {};
  const bytes = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
  return {
    type: header.type ?? 'unknown',
    name: path === undefined ? header.name : bytes(path),
    linkName: linkpath === undefined ? (header.linkname ?? '') : bytes(linkpath),
    sizeBytes: header.size,
    modifiedAt: header.mtime,
    device: { major: header.devmajor, minor: header.devminor },
    attributes: Object.keys(more).flatMap((key) => (key.startsWith(attributePrefix) ? [key.slice(attributePrefix.length)] : [])),
    isSparse: Object.keys(more).some((key) => key.startsWith('GNU.sparse.')),
  };
}

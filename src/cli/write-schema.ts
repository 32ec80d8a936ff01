import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(new URL('../client/schema.ts', import.meta.url));
/** Fetched when it is needed: it works with TypeScript 5 alone, and the checkout has 7. */
const generator = ['--package=typescript@5.9.3', '--package=openapi-typescript@7.13.0', '--', 'openapi-typescript'];
/** Else what has a default counts as required, in requests too. */
const options = ['--default-non-nullable=false'];

/** Whether the types of the client were made from this text of openapi.yaml. */
export function isSchemaOf(yaml: string): boolean {
  return existsSync(file) && readFileSync(file, 'utf8').startsWith(headerOf(yaml));
}

/** Makes the types of the client from openapi.yaml, which is at `document` and holds `yaml`. */
export function writeSchema(document: string, yaml: string): void {
  execFileSync('npx', ['--yes', ...generator, document, `--output=${file}`, ...options], { stdio: ['ignore', 'ignore', 'inherit'] });
  writeFileSync(file, `${headerOf(yaml)}${readFileSync(file, 'utf8')}`);
}

function headerOf(yaml: string): string {
  return `// Made by \`npm run openapi\` from the openapi.yaml of sha256 ${createHash('sha256').update(yaml).digest('hex')}.\n`;
}

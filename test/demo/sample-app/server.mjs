import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { makeDocuments } from './documents.mjs';
import { SearchIndex } from './search-index.mjs';

// The demo's slow starter: it listens only when its index is built. What it answers shows whether a clone continues from
// the checkpoint (bootToken, startedAt, counter) and whether it is its own afterwards (hostname, machineId, notes).

const documentCount = Number(process.env.DOCUMENTS ?? 20_000);
const port = Number(process.env.PORT ?? 8080);
const page = readFileSync(new URL('page.html', import.meta.url));
const startedAt = new Date().toISOString();
const bootToken = randomUUID();
const notes = [];
let counter = 0;
let requestsSinceStart = 0;

const began = performance.now();
const index = buildIndex();
const indexMs = Math.round(performance.now() - began);

createServer(async (request, response) => {
  requestsSinceStart++;
  try {
    await answer(request, response);
  } catch (error) {
    send(response, 500, { error: error.message });
  }
}).listen(port, '0.0.0.0', () => console.log(`ready: ${index.documents} documents, ${index.terms} terms, port ${port}`));

function buildIndex() {
  const built = new SearchIndex();
  for (const document of makeDocuments(documentCount)) {
    built.add(document);
    tellProgress('indexed', built.documents);
  }
  built.rankSuggestions();
  for (let id = 0; id < built.documents; id++) {
    built.learnFrom(id);
    tellProgress('learned word vectors from', id + 1);
  }
  return built;
}

function tellProgress(done, documents) {
  if (documents % Math.ceil(documentCount / 5) === 0) console.log(`${done} ${documents} of ${documentCount} documents`);
}

async function answer(request, response) {
  const url = new URL(request.url ?? '/', 'http://sample');
  const route = `${request.method} ${url.pathname}`;
  if (route === 'GET /') response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
  else if (route === 'GET /healthz') send(response, 200, { ready: true });
  else if (route === 'GET /whoami') send(response, 200, describeSelf());
  else if (route === 'GET /search') send(response, 200, search(url.searchParams.get('q') ?? ''));
  else if (route === 'POST /notes') send(response, 201, { notes: keepNote(await readBody(request)) });
  else send(response, 404, { error: `no ${route}` });
}

function describeSelf() {
  return {
    bootToken,
    counter: ++counter,
    notes,
    hostname: hostname(),
    machineId: readFileSync('/etc/machine-id', 'utf8').trim(),
    pid: process.pid,
    startedAt,
    indexMs,
    documents: index.documents,
    binding: readBinding(),
    requestsSinceStart,
  };
}

/** What this instance was told at its claim, secrets by name only; null before. Read afresh: the file appears after the restore. */
function readBinding() {
  let text;
  try {
    text = readFileSync('/run/thaw/binding.json', 'utf8');
  } catch {
    return null;
  }
  const { tenant, claim, env, secrets } = JSON.parse(text);
  return { tenant, claim, env: env ?? {}, secrets: Object.keys(secrets ?? {}) };
}

function search(query) {
  const from = performance.now();
  const found = index.search(query);
  return { query, tookMs: Math.round((performance.now() - from) * 100) / 100, ...found };
}

/** In memory and in a file: the one lives in the instance's pages, the other in its layer of the root filesystem. */
function keepNote(text) {
  notes.push(text);
  appendFileSync('/tmp/notes', `${text}\n`);
  return notes;
}

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8').slice(0, 10_000);
}

function send(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

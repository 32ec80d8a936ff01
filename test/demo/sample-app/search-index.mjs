import { WordVectors } from './word-vectors.mjs';

const maxResults = 10;
const maxSuggestions = 3;
const maxRelated = 4;
const commonTerms = 4000; // related words are looked for among the terms seen first
const saturation = 1.2; // BM25's k1
const lengthWeight = 0.75; // BM25's b

/** A full-text index: postings with positions, ranked by BM25 with a bonus for neighbours; a bigram model suggests the next word, word vectors related ones. */
export class SearchIndex {
  #terms = new Map();
  #words = [];
  #postings = [];
  #documents = [];
  #sequences = [];
  #bigrams = new Map();
  #suggestions = [];
  #vectors;
  #meanLength = 0;

  get documents() {
    return this.#documents.length;
  }

  get terms() {
    return this.#words.length;
  }

  add(document) {
    const id = this.#documents.push(document) - 1;
    const sequence = Uint16Array.from(tokens(document.text), (word) => this.#termOf(word));
    for (let at = 0; at < sequence.length; at++) {
      this.#postings[sequence[at]].push(id, at);
      if (at > 0) count(this.#bigrams, sequence[at - 1] * 65_536 + sequence[at]);
    }
    this.#sequences.push(sequence);
  }

  /** Call after the last document. */
  rankSuggestions() {
    this.#meanLength = this.#sequences.reduce((sum, sequence) => sum + sequence.length, 0) / this.#sequences.length;
    const best = this.#words.map(() => []);
    for (const [key, times] of this.#bigrams) keepBest(best[Math.floor(key / 65_536)], { term: key % 65_536, times });
    this.#suggestions = best.map((row) => row.map(({ term }) => this.#words[term]));
  }

  /** Call after the last document, once for each. */
  learnFrom(id) {
    this.#vectors ??= new WordVectors(this.#words.length);
    this.#vectors.train(this.#sequences[id]);
  }

  search(query) {
    const terms = tokens(query).flatMap((word) => this.#terms.get(word) ?? []);
    const scores = new Map();
    let lastPositions = new Map();
    for (const term of new Set(terms)) lastPositions = this.#score(term, scores, lastPositions);
    const ranked = [...scores].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, maxResults);
    return {
      total: scores.size,
      results: ranked.map(([id, score]) => ({
        id,
        title: this.#documents[id].title,
        score: Math.round(score * 1000) / 1000,
        text: this.#documents[id].text,
      })),
      suggestions: terms.length > 0 ? this.#suggestions[terms.at(-1)] : [],
      related: terms.length > 0 ? this.#relatedTo(terms.at(-1)) : [],
    };
  }

  #relatedTo(term) {
    const among = Math.min(commonTerms, this.#words.length);
    return this.#vectors.closest(term, maxRelated, among).map((near) => this.#words[near.term]);
  }

  /** Adds a term's part to `scores`; answers its first position by document, for the next term's bonus. */
  #score(term, scores, positionsBefore) {
    const hits = this.#postings[term].byDocument();
    const rarity = Math.log(1 + (this.#documents.length - hits.size + 0.5) / (hits.size + 0.5));
    const positions = new Map();
    for (const [id, { first, times }] of hits) {
      const norm = saturation * (1 - lengthWeight + (lengthWeight * this.#sequences[id].length) / this.#meanLength);
      const neighbour = positionsBefore.get(id) === first - 1 ? 2 : 1;
      scores.set(id, (scores.get(id) ?? 0) + (neighbour * rarity * times * (saturation + 1)) / (times + norm));
      positions.set(id, first);
    }
    return positions;
  }

  #termOf(word) {
    let term = this.#terms.get(word);
    if (term === undefined) {
      term = this.#words.push(word) - 1;
      this.#terms.set(word, term);
      this.#postings.push(new Postings());
    }
    return term;
  }
}

/** Pairs of document and position in one growing block. */
class Postings {
  #block = new Uint32Array(16);
  #length = 0;

  push(document, position) {
    if (this.#length === this.#block.length) {
      const larger = new Uint32Array(this.#block.length * 2);
      larger.set(this.#block);
      this.#block = larger;
    }
    this.#block[this.#length++] = document;
    this.#block[this.#length++] = position;
  }

  byDocument() {
    const hits = new Map();
    for (let n = 0; n < this.#length; n += 2) {
      const hit = hits.get(this.#block[n]);
      if (hit) hit.times++;
      else hits.set(this.#block[n], { first: this.#block[n + 1], times: 1 });
    }
    return hits;
  }
}

function tokens(text) {
  return text.toLowerCase().match(/[a-z]+/g) ?? [];
}

function count(map, key) {
  map.set(key, (map.get(key) ?? 0) + 1);
}

function keepBest(row, candidate) {
  row.push(candidate);
  row.sort((a, b) => b.times - a.times || a.term - b.term);
  if (row.length > maxSuggestions) row.pop();
}

import { randomNumbers } from './random.mjs';

const dimensions = 32;
const neighbours = 2; // words to the right of each word that count as its context
const negatives = 4;
const learningRate = 0.05;

/** Learns a vector per term from the order of the words (skip-gram with negative sampling): related words end up close. */
export class WordVectors {
  #vectors;
  #contexts;
  #terms;
  #random = randomNumbers(0xfeed);

  constructor(terms) {
    this.#terms = terms;
    this.#vectors = Float32Array.from({ length: terms * dimensions }, () => (this.#random() - 0.5) / dimensions);
    this.#contexts = new Float32Array(terms * dimensions);
  }

  /** @param sequence {Uint16Array} the terms of one document in order */
  train(sequence) {
    for (let at = 0; at < sequence.length; at++) {
      const end = Math.min(sequence.length, at + neighbours + 1);
      for (let other = at + 1; other < end; other++) {
        this.#pull(sequence[at], sequence[other], 1);
        for (let n = 0; n < negatives; n++) this.#pull(sequence[at], Math.floor(this.#terms * this.#random() ** 2), 0);
      }
    }
  }

  /** The `count` terms closest to `term` among the first `among` terms. */
  closest(term, count, among) {
    const near = [];
    for (let other = 0; other < among; other++) {
      if (other !== term) near.push({ term: other, similarity: this.#cosine(term, other) });
    }
    return near.sort((a, b) => b.similarity - a.similarity).slice(0, count);
  }

  /** One step of gradient descent: the pair's dot product towards `label`. */
  #pull(term, context, label) {
    const v = term * dimensions;
    const c = context * dimensions;
    let dot = 0;
    for (let d = 0; d < dimensions; d++) dot += this.#vectors[v + d] * this.#contexts[c + d];
    const step = learningRate * (label - 1 / (1 + Math.exp(-dot)));
    for (let d = 0; d < dimensions; d++) {
      const before = this.#vectors[v + d];
      this.#vectors[v + d] += step * this.#contexts[c + d];
      this.#contexts[c + d] += step * before;
    }
  }

  #cosine(a, b) {
    let dot = 0;
    let lengthA = 0;
    let lengthB = 0;
    for (let d = 0; d < dimensions; d++) {
      const x = this.#vectors[a * dimensions + d];
      const y = this.#vectors[b * dimensions + d];
      dot += x * y;
      lengthA += x * x;
      lengthB += y * y;
    }
    return dot / (Math.sqrt(lengthA * lengthB) || 1);
  }
}

import { randomNumbers } from './random.mjs';

const roots = (
  'amber anchor apple arrow autumn badger barley beacon bell birch bird bishop blossom bone book bramble branch bread breeze brick bridge brook candle ' +
  'canvas castle cedar chalk cherry cliff clock cloud clover coal copper coral cotton crane creek crow crystal dawn deer desert drift dune dusk eagle earth ' +
  'echo elm ember falcon feather fern field finch fire flint forest fox frost garden garnet glacier glass goose granite grass gravel grove gull hail ' +
  'hammer harbour hare harvest hawk hazel heather heron hill hollow honey horizon horse ice indigo iron island ivory ivy jade juniper kettle kite lake ' +
  'lamp lantern lark laurel leaf ledge lichen light lilac linen lion loom lotus magpie maple marble marsh meadow melon mill mint mist moon moss moth ' +
  'mountain needle nettle night oak ocean olive onyx orchard otter owl paper pear pearl pebble pepper pine plain plum pond poplar port quarry quartz quill ' +
  'rain raven reed reef ridge river robin rock root rope rose rowan rush sable saddle sage sail salmon salt sand sapphire sea shadow shell shore silk ' +
  'silver sky slate smoke snow song sparrow spring spruce star steel stone storm stream summer sun swallow swan thistle thorn thunder tide timber tower ' +
  'trail tree tulip valley velvet violet walnut water wave wheat willow wind winter wolf wood wren yarrow'
).split(' ');

const vocabularySize = 24_000;
const wordsPerDocument = 110;

/** Real words first, then compounds of two: a rank in this list is how rare a word is. */
const vocabulary = [
  ...roots,
  ...Array.from({ length: vocabularySize - roots.length }, (_, n) => {
    const first = roots[n % roots.length];
    const second = roots[(n * 7 + Math.floor(n / roots.length) * 13 + 5) % roots.length];
    return first === second ? `${first}s` : first + second;
  }),
];

/** Makes `count` documents, the same ones at every start: word frequencies fall as in a language, and words have favourite successors. */
export function* makeDocuments(count) {
  const random = randomNumbers(0x5eed);
  for (let id = 0; id < count; id++) {
    const words = [];
    let rank = pickRank(random);
    for (let n = 0; n < wordsPerDocument; n++) {
      words.push(vocabulary[rank]);
      rank = random() < 0.45 ? (rank * 31 + 17 + Math.floor(random() * 4)) % vocabularySize : pickRank(random);
    }
    yield { title: `${words[0]} ${words[1]} and ${words[2]}`, text: writeSentences(words, random) };
  }
}

function pickRank(random) {
  return Math.floor(vocabularySize * random() ** 3);
}

function writeSentences(words, random) {
  let text = '';
  let left = 0;
  for (const word of words) {
    if (left === 0) {
      text += `${text === '' ? '' : '. '}${word[0].toUpperCase()}${word.slice(1)}`;
      left = 6 + Math.floor(random() * 9);
    } else {
      text += ` ${word}`;
      left--;
    }
  }
  return `${text}.`;
}

import { parentPort, workerData } from 'node:worker_threads';
import { z } from 'zod';
import { scanImages } from './scan-images.ts';

/** A thread of its own for one scan, which takes seconds of computing: what else the process does goes on meanwhile. */
const { image, diff, canaries } = z.object({ image: z.string(), diff: z.string(), canaries: z.array(z.string()) }).parse(workerData);
const tally = await scanImages({ image, diff }, canaries);
parentPort?.postMessage(tally.report());

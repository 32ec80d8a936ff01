import { describe } from 'vitest';
import type { Engine } from '#src/engine/engine.ts';
import type { Workload } from '#src/engine/workload.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { bindingContract } from './binding-contract.ts';
import { cloneContract } from './clone-contract.ts';
import { exitContract } from './exit-contract.ts';
import { goldenContract } from './golden-contract.ts';
import { hookContract } from './hook-contract.ts';
import { identityContract } from './identity-contract.ts';
import { insideContract } from './inside-contract.ts';
import { moveContract } from './move-contract.ts';
import { restartContract } from './restart-contract.ts';
import { startContract } from './start-contract.ts';
import { teardownContract } from './teardown-contract.ts';
import { useEngine } from './use-engine.ts';

/** One engine with a node of its own, made for one run of the suite. */
export interface EngineHarness {
  /** The engine that `reopen` made last. */
  readonly engine: Engine;
  /** The test app (test/support/test-app.pl or its simulation), listening on 8080. */
  workload(over?: Partial<Workload>): Workload;
  /** Changes one byte of the golden's files and answers a name that the error must tell. */
  corruptGolden(golden: GoldenId): Promise<string>;
  /** An archive of this name that goldens can be exported to. */
  archivePlace(name: string): string;
  /** As a restart of the worker: closes the engine and opens another over the same data. Absent where instances end with the process. */
  readonly reopen?: () => Promise<void>;
  /** After the suite has destroyed all instances: gives everything back. */
  close(): Promise<void>;
}

/** What every adapter of the port `Engine` holds to. State is proven by the app's own answers, so that a cold start can not pass for a clone. */
export function describeEngineContract(name: string, makeEngine: () => Promise<EngineHarness>): void {
  describe(`engine contract: ${name}`, () => {
    const run = useEngine(makeEngine);
    startContract(run);
    goldenContract(run);
    cloneContract(run);
    bindingContract(run);
    identityContract(run);
    moveContract(run);
    hookContract(run);
    insideContract(run);
    exitContract(run);
    restartContract(run);
    teardownContract(run);
  });
}

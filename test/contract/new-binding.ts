import type { Binding } from '#src/engine/engine.ts';
import { newClaimId } from '#src/platform/ids.ts';

/** A binding for another claim each time, with values that need care on their way into a file. */
export function newBinding(): Binding {
  return {
    claim: newClaimId(),
    tenant: 'acme',
    expiresAt: '2030-01-01T00:00:00.000Z',
    env: { GREETING: 'hello\nworld', EMPTY: '' },
    secrets: { PASSWORD: 'correct "horse" } battery', TOKEN: 'staple' },
    labels: { order: '17' },
  };
}

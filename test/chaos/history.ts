/** What a client saw, in the order in which it saw it. */
export type Seen =
  | { readonly kind: 'answered'; readonly key: string; readonly claim: string; readonly instance: string }
  /** Asked for between its answer and its release. */
  | { readonly kind: 'read'; readonly claim: string; readonly state: string; readonly instance: string }
  | { readonly kind: 'released'; readonly claim: string };

/** A claim as the service lists it when all is over. */
export interface Listed {
  readonly id: string;
  readonly state: string;
  readonly instance?: { readonly id: string } | undefined;
}

/**
 * Judges what clients saw against laws 1, 2 and 3, knowing nothing of the service: what it answered is all there is. Answers each breach in words;
 * none is well.
 */
export function judge(history: readonly Seen[], listed: readonly Listed[]): string[] {
  const claimsOf = new Map<string, Set<string>>();
  const claimsByKey = new Map<string, Set<string>>();
  const instanceOf = new Map<string, string>();
  const released = new Set<string>();
  const breaches: string[] = [];
  const note = (map: Map<string, Set<string>>, of: string, claim: string) => map.set(of, (map.get(of) ?? new Set()).add(claim));

  for (const seen of history) {
    if (seen.kind === 'answered') {
      note(claimsOf, seen.instance, seen.claim);
      note(claimsByKey, seen.key, seen.claim);
      const before = instanceOf.get(seen.claim);
      if (before !== undefined && before !== seen.instance) breaches.push(`claim ${seen.claim} was on ${before}, then on ${seen.instance}`);
      instanceOf.set(seen.claim, seen.instance);
    } else if (seen.kind === 'released') {
      released.add(seen.claim);
    } else if (seen.state !== 'active' || instanceOf.get(seen.claim) !== seen.instance) {
      breaches.push(`claim ${seen.claim} was answered and is ${seen.state} on ${seen.instance} before its release (law 2)`);
    }
  }
  for (const { id, instance } of listed) if (instance !== undefined) note(claimsOf, instance.id, id);
  for (const [instance, claims] of claimsOf)
    if (claims.size > 1) breaches.push(`instance ${instance} was held by ${[...claims].join(' and ')} (law 1)`);
  for (const [key, claims] of claimsByKey) if (claims.size > 1) breaches.push(`key ${key} made ${[...claims].join(' and ')} (law 3)`);
  for (const { id, state } of listed) {
    if (released.has(id) && state !== 'released') breaches.push(`claim ${id} was answered as released and is ${state} (law 2)`);
    if (!instanceOf.has(id) && state !== 'failed') breaches.push(`claim ${id} is ${state}, and nobody was ever answered it`);
  }
  return breaches;
}

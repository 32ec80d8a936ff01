import { z } from 'zod';

/** A whole number in plain decimal digits, within bounds. `what` names it in the refusal: `a port from 0 to 65535`. */
export function wholeNumber(what: string, min: number, max: number) {
  const refuse = ({ input }: { input?: unknown }) => `${what}, not ${JSON.stringify(input)}`;
  return z
    .string({ error: refuse })
    .refine((text) => /^(?:0|[1-9]\d{0,14})$/.test(text) && Number(text) >= min && Number(text) <= max, { error: refuse })
    .transform(Number);
}

import { validationFailed } from '#src/platform/http/validation-failed.ts';
import type { TemplateSpec } from './template.ts';

/** What is shown for the first canary, the second, …. Sent back, it stands for the one that is stored. */
const shownFor = (index: number) => `redacted-${index + 1}`;
const shownPattern = /^redacted-(\d{1,4})$/;

/** The template as it is shown: a canary may be a secret itself. */
export function redactCanaries(spec: TemplateSpec): TemplateSpec {
  if (!spec.scan) return spec;
  return { ...spec, scan: { ...spec.scan, canaries: spec.scan.canaries.map((_, index) => shownFor(index)) } };
}

export function hasRedacted({ scan }: TemplateSpec): boolean {
  return scan?.canaries.some((canary) => shownPattern.test(canary)) ?? false;
}

/** What was read, changed and sent back, with the canaries that are stored. Throws validation_failed for one that is not. */
export function restoreCanaries(sent: TemplateSpec, stored: TemplateSpec | undefined): TemplateSpec {
  if (!sent.scan) return sent;
  const canaries = sent.scan.canaries.map((canary, index) => {
    const place = shownPattern.exec(canary)?.[1];
    if (place === undefined) return canary;
    const known = stored?.scan?.canaries[Number(place) - 1];
    if (known !== undefined) return known;
    const message = `${canary} stands for a canary that is stored, and there is none of this number`;
    throw validationFailed([{ in: 'body', path: `scan.canaries.${index}`, message }], 'Send the canary itself.');
  });
  return { ...sent, scan: { ...sent.scan, canaries } };
}

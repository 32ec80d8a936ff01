import { z } from 'zod';

/** What a scan of a golden's memory found. Never the value, nor what stands around it. */
export const ScanReport = z.object({
  findings: z.array(
    z.object({
      /** `canary 1` for the first of the template's list, or the shape's name: that of gitleaks' rule. */
      kind: z.string(),
      /** `java (pid 1)`: name and pid inside. Or the file it was found in; `elsewhere` sums up what is too much to list. */
      where: z.string(),
      /** How often: programs make copies. */
      count: z.number().int(),
    }),
  ),
  scannedBytes: z.number(),
  tookMs: z.number(),
});
export type ScanReport = z.infer<typeof ScanReport>;

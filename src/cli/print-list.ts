import { z } from 'zod';
import type { ThawClient } from '#src/client/client.ts';
import { parseConfig } from '#src/platform/config.ts';
import { askFor, connectClient, readAs } from './client.ts';
import { type CommandContext, exitCodes } from './command.ts';
import { formatTable } from './table.ts';

/** How a list of the REST API becomes a table: a cell of each row by the title of its column. */
export interface ListView<S extends z.ZodType> {
  /** As the user is told it. */
  readonly path: string;
  list(thaw: ThawClient, query: { limit: number }): Promise<{ data?: unknown; error?: unknown; response: Response }>;
  readonly item: S;
  readonly columns: Readonly<Record<string, (item: z.infer<S>) => string>>;
}

const pageSize = 200;

/** Prints the first page as a table, or as JSON exactly as it was answered. */
export async function printList<S extends z.ZodType>(context: CommandContext, view: ListView<S>, asJson: boolean): Promise<number> {
  const answer = await askFor(view.list(connectClient(parseConfig(context.env)), { limit: pageSize }));
  if (asJson) {
    context.print(JSON.stringify(answer, null, 2));
    return exitCodes.ok;
  }
  const { items, nextCursor } = readAs(z.object({ items: z.array(view.item), nextCursor: z.string().optional() }), answer, view.path);
  const cells = Object.values(view.columns);
  context.print(
    formatTable(
      Object.keys(view.columns),
      items.map((item) => cells.map((cell) => cell(item))),
    ),
  );
  if (nextCursor !== undefined) context.note(`These are the first ${pageSize}; GET ${view.path}?cursor=${nextCursor} continues.`);
  return exitCodes.ok;
}

import { apiCommand } from './api.ts';
import { captureCommand } from './capture.ts';
import { claimsCommand } from './claims.ts';
import type { Command } from './command.ts';
import { doctorCommand } from './doctor.ts';
import { downCommand } from './down.ts';
import { explainCommand } from './explain.ts';
import { exportCommand } from './export.ts';
import { goldensCommand } from './goldens.ts';
import { importCommand } from './import.ts';
import { installCommand } from './install.ts';
import { keyCommand } from './key.ts';
import { operationsCommand } from './operations.ts';
import { poolsCommand } from './pools.ts';
import { promoteCommand } from './promote.ts';
import { refreshCommand } from './refresh.ts';
import { rollbackCommand } from './rollback.ts';
import { tryCommand } from './try.ts';
import { uninstallCommand } from './uninstall.ts';
import { upCommand } from './up.ts';
import { workerCommand } from './worker.ts';

/** In the order of `thaw --help`. */
export const commands: readonly Command[] = [
  upCommand,
  downCommand,
  doctorCommand,
  tryCommand,
  apiCommand,
  workerCommand,
  poolsCommand,
  claimsCommand,
  explainCommand,
  goldensCommand,
  captureCommand,
  exportCommand,
  importCommand,
  refreshCommand,
  promoteCommand,
  rollbackCommand,
  operationsCommand,
  keyCommand,
  installCommand,
  uninstallCommand,
];

import { queryPostgres } from './postgres-query.ts';
import { AppAnswer, askTimeoutMs, type ThirdPartyApp } from './third-party-app.ts';

/** As images of PostgreSQL do: makes the cluster at the first start, in the root filesystem. */
const startScript = `
cd /usr/lib/postgresql/*/bin &&
./initdb --pgdata=$PGDATA --username=postgres --auth=trust --encoding=UTF8 --locale=C &&
echo 'host all all all trust' >>$PGDATA/pg_hba.conf &&
exec ./postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
`;

/** The token is in the memory of the postmaster, the counter in shared buffers and in a file. */
const visit = `
CREATE SEQUENCE IF NOT EXISTS visits;
SELECT json_build_object(
  'token', pg_postmaster_start_time(),
  'counter', nextval('visits'),
  'hostname', trim(E'\\n' from pg_read_file('/proc/sys/kernel/hostname')));
`;

/** PostgreSQL as uid 1000: a tree of processes with shared memory, signals and files between them. */
export const postgres: ThirdPartyApp = {
  name: 'postgres',
  image: { name: 'postgres', packages: ['postgresql', 'dash', 'coreutils'], files: {} },
  workload: {
    command: ['/bin/sh', '-c', startScript],
    env: { PGDATA: '/home/app/data' },
    user: '1000:1000',
    ports: [{ name: 'sql', port: 5432, protocol: 'tcp' }],
  },
  ask: async (address) => AppAnswer.parse(JSON.parse(await queryPostgres({ host: address, port: 5432, timeoutMs: askTimeoutMs }, visit))),
};

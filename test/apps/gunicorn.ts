import { askByHttp, type ThirdPartyApp } from './third-party-app.ts';

/** gunicorn, one worker of four threads below its master, serving a Flask app, as root. */
export const gunicorn: ThirdPartyApp = {
  name: 'gunicorn',
  image: {
    name: 'gunicorn',
    packages: ['gunicorn', 'python3-flask'],
    files: { '/srv/visits.py': new URL('gunicorn.py', import.meta.url) },
  },
  workload: {
    command: ['/usr/bin/gunicorn', '--chdir', '/srv', '--bind', '0.0.0.0:8080', '--threads', '4', 'visits:app'],
    ports: [{ name: 'web', port: 8080 }],
  },
  ask: askByHttp,
};

import { askByHttp, type ThirdPartyApp } from './third-party-app.ts';

/** What the packages' maintainer scripts would set up. */
const startScript = `
cp -R /usr/share/tomcat10/etc/* /etc/tomcat10/ &&
mkdir -p /var/log/tomcat10 /var/cache/tomcat10 &&
exec /usr/share/tomcat10/bin/catalina.sh run
`;

/** Tomcat 10 on the distribution's OpenJDK with a page that it compiles at the first request, as root. */
export const tomcat: ThirdPartyApp = {
  name: 'tomcat',
  image: {
    name: 'tomcat',
    packages: ['tomcat10', 'default-jre-headless', 'dash', 'coreutils'],
    files: { '/var/lib/tomcat10/webapps/ROOT/index.jsp': new URL('tomcat.jsp', import.meta.url) },
  },
  workload: {
    command: ['/bin/sh', '-c', startScript],
    env: { CATALINA_HOME: '/usr/share/tomcat10', CATALINA_BASE: '/var/lib/tomcat10', JAVA_HOME: '/usr/lib/jvm/default-java' },
    ports: [{ name: 'web', port: 8080 }],
  },
  ask: askByHttp,
};

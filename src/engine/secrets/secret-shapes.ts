/** What a kind of secret looks like, wherever it stands. */
export interface SecretShape {
  /** The id of gitleaks' rule. */
  readonly kind: string;
  /** Each match begins with one of them: at least 4 characters, so that they are quickly looked for. */
  readonly beginnings: readonly string[];
  /** Sticky; matched at the beginning, with what stands right before it in view. */
  readonly pattern: RegExp;
  /** How many characters it takes to tell, from the beginning on; 256 when absent. */
  readonly reach?: number;
  /** Of those that are no secret: examples of the issuer's own documentation. */
  readonly except?: RegExp;
}

/** The longest reach there is. */
export const longestReach = 8192;
export const usualReach = 256;

/** Bits for each character; a match below is a placeholder such as `ghp_xxxx…`. */
export const leastEntropy = 3;

/**
 * From the rules of gitleaks 8.30 (config/gitleaks.toml, MIT), those alone whose secrets name their issuer in their first characters: what
 * takes a variable's name beside it, or entropy alone, finds a thousand things in any heap. Ends are not bounded where the length is fixed:
 * in memory the next string may follow at once. Test keys are left out.
 */
export const secretShapes: readonly SecretShape[] = [
  {
    kind: 'private-key',
    beginnings: ['-----BEGIN '],
    reach: 1500,
    pattern:
      /-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:[\r\n]|\\[rn])+(?:[A-Za-z-]{1,40}: [^\r\n]{1,200}(?:[\r\n]|\\[rn])+){0,5}[A-Za-z0-9+/](?:[A-Za-z0-9+/=\r\n]|\\[rn]){63}/y,
  },
  {
    kind: 'aws-access-token',
    beginnings: ['AKIA', 'ASIA', 'ABIA', 'ACCA'],
    pattern: /(?<![A-Za-z0-9+/])[A-Z]{4}[A-Z2-7]{16}(?![A-Za-z0-9+/])/y,
    except: /EXAMPLE$/,
  },
  { kind: 'github-pat', beginnings: ['ghp_'], pattern: /ghp_[0-9a-zA-Z]{36}/y },
  { kind: 'github-fine-grained-pat', beginnings: ['github_pat_'], pattern: /github_pat_\w{82}/y },
  { kind: 'github-oauth', beginnings: ['gho_'], pattern: /gho_[0-9a-zA-Z]{36}/y },
  { kind: 'github-app-token', beginnings: ['ghu_', 'ghs_'], pattern: /gh[us]_[0-9a-zA-Z]{36}/y },
  { kind: 'github-refresh-token', beginnings: ['ghr_'], pattern: /ghr_[0-9a-zA-Z]{36}/y },
  { kind: 'gitlab-pat', beginnings: ['glpat-'], pattern: /glpat-[\w-]{20}/y },
  { kind: 'gitlab-deploy-token', beginnings: ['gldt-'], pattern: /gldt-[\w-]{20}/y },
  { kind: 'gitlab-runner-authentication-token', beginnings: ['glrt-'], pattern: /glrt-[\w-]{20}/y },
  { kind: 'slack-bot-token', beginnings: ['xoxb-'], pattern: /xoxb-[0-9]{10,13}-[0-9]{10,13}[a-zA-Z0-9-]*/y },
  { kind: 'slack-user-token', beginnings: ['xoxp-', 'xoxe-'], pattern: /xox[pe](?:-[0-9]{10,13}){3}-[a-zA-Z0-9-]{28,34}/y },
  { kind: 'slack-app-token', beginnings: ['xapp-'], pattern: /xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+/y },
  {
    kind: 'slack-webhook-url',
    beginnings: ['hooks.slack.com/'],
    pattern: /hooks\.slack\.com\/(?:services|workflows|triggers)\/[A-Za-z0-9+/]{43,56}/y,
  },
  { kind: 'stripe-access-token', beginnings: ['sk_live_', 'rk_live_'], pattern: /(?<![A-Za-z0-9_])[sr]k_live_[a-zA-Z0-9]{10,99}/y },
  { kind: 'npm-access-token', beginnings: ['npm_'], pattern: /(?<![A-Za-z0-9_])npm_[a-zA-Z0-9]{36}/y },
  { kind: 'pypi-upload-token', beginnings: ['pypi-AgEIcHlwaS5vcmc'], reach: 1100, pattern: /pypi-AgEIcHlwaS5vcmc[\w-]{50,1000}/y },
  { kind: 'gcp-api-key', beginnings: ['AIza'], pattern: /(?<![\w-])AIza[\w-]{35}/y },
  {
    kind: 'jwt',
    beginnings: ['eyJhbGciOi', 'eyJ0eXAiOi', 'eyJraWQiOi'], // {"alg":  {"typ":  {"kid":
    reach: longestReach,
    pattern: /(?<![\w-])eyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{10,}/y,
  },
  {
    kind: 'openai-api-key',
    beginnings: ['sk-proj-', 'sk-svcacct-', 'sk-admin-'],
    pattern: /(?<![\w-])sk-(?:proj|svcacct|admin)-(?:[\w-]{74}|[\w-]{58})T3BlbkFJ(?:[\w-]{74}|[\w-]{58})/y,
  },
  { kind: 'anthropic-api-key', beginnings: ['sk-ant-api03-'], pattern: /(?<![\w-])sk-ant-api03-[\w-]{93}AA/y },
  { kind: 'digitalocean-pat', beginnings: ['dop_v1_'], pattern: /dop_v1_[a-f0-9]{64}/y },
  { kind: 'shopify-access-token', beginnings: ['shpat_'], pattern: /shpat_[a-fA-F0-9]{32}/y },
  { kind: 'vault-service-token', beginnings: ['hvs.'], pattern: /(?<![\w.-])hvs\.[\w-]{90,120}/y },
  { kind: 'age-secret-key', beginnings: ['AGE-SECRET-KEY-1'], pattern: /AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/y },
];

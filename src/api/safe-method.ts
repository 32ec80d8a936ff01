/** Whether a request changes nothing, as HTTP has it (RFC 9110, 9.2.1). */
export function isSafeMethod(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

import { maxHeaderSize, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { ThawError } from '#src/platform/errors.ts';
import { problemOf } from '#src/platform/http/problem.ts';

/**
 * Answers what Node could not read as a request, and closes its connection: as a problem like any other, where Node by itself answers without a
 * body. A connection that is gone, or on which an answer has begun, is closed without one.
 */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = refusalOf(error);
  const body = JSON.stringify(problemOf(refusal));
  socket.end(
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function refusalOf({ code, message }: NodeJS.ErrnoException): ThawError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new ThawError('headers_too_large', `request line and headers together have more than ${maxHeaderSize} bytes`, {
        fix: 'Send fewer or shorter headers; what is long belongs in the body.',
      });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ThawError('request_timed_out', 'the headers of the request did not come in time', { fix: 'Send it again, all at once.' });
    default:
      return new ThawError('malformed_request', `what was sent is not an HTTP request: ${message}`, {
        fix: 'Send HTTP/1.1; where TLS is configured, with https://.',
      });
  }
}

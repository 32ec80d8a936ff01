--[[ Writes a pool, unless it has changed since the caller read it.
  KEYS[1] pool      hash
  KEYS[2] pools     zset  names, all with score 0: in alphabetical order
  KEYS[3] deleting  set   pools whose instances are still being destroyed
  ARGV[1] name   ARGV[2] etag that must be there, '*' for any, '' for no condition   ARGV[3] key prefix
  ARGV[4…] fields of the hash: name, value, …
  Answers {'created' or 'updated', createdAt, updatedAt} (ms), or {'changed', the etag that is there or ''}. ]]
--- @include "emit-event"

local etag = redis.call('HGET', KEYS[1], 'etag')
if ARGV[2] ~= '' and not (etag and (ARGV[2] == '*' or ARGV[2] == etag)) then return { 'changed', etag or '' } end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], 'createdAt', now)
redis.call('HSET', KEYS[1], 'updatedAt', now, unpack(ARGV, 4))
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('PUBLISH', ARGV[3] .. 'pool-changed', ARGV[1])
if redis.call('HGET', KEYS[1], 'etag') ~= etag then emit(ARGV[3], now, 'pool.saved', 'pool', ARGV[1]) end
return { etag and 'updated' or 'created', redis.call('HGET', KEYS[1], 'createdAt'), tostring(now) }

--[[ Creates or replaces a template, unless it has changed since the caller read it.
  KEYS[1] template   hash
  KEYS[2] templates  zset  names, all with score 0: in alphabetical order
  ARGV[1] name   ARGV[2] spec (JSON)   ARGV[3] its etag   ARGV[4] etag that must be there, '*' for any, '' for no condition
  ARGV[5] key prefix
  Answers 'created', 'updated', or {'changed', the etag that is there or ''}. The same spec again changes nothing. ]]
--- @include "emit-event"

local etag = redis.call('HGET', KEYS[1], 'etag')
if ARGV[4] ~= '' and not (etag and (ARGV[4] == '*' or ARGV[4] == etag)) then return { 'changed', etag or '' } end
if etag == ARGV[3] then return 'updated' end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], 'createdAt', now)
redis.call('HSET', KEYS[1], 'name', ARGV[1], 'spec', ARGV[2], 'etag', ARGV[3], 'updatedAt', now)
redis.call('ZADD', KEYS[2], 0, ARGV[1])
emit(ARGV[5], now, 'template.saved', 'template', ARGV[1])
return etag and 'updated' or 'created'

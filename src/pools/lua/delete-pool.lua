--[[ Deletes a pool that no tenant holds an instance of. The planner then destroys its instances; until it has, the name stays
  among those being deleted, so that a crash forgets none.
  KEYS[1] pool   hash       KEYS[2] pools      zset  names   KEYS[3] deleting  set
  KEYS[4] claimed  zset     KEYS[5] suspended  zset  instances held by tenants
  KEYS[6] arrivals  hash    KEYS[7] restores   list  what was measured of it   KEYS[8] rollout  hash
  ARGV[1] name   ARGV[2] etag that must be there, '*' for any, '' for no condition   ARGV[3] key prefix
  Answers {'deleted'}, {'absent'}, {'changed', the etag that is there} or {'held', how many instances are}. ]]
--- @include "emit-event"

local etag = redis.call('HGET', KEYS[1], 'etag')
if not etag then return { 'absent' } end
if ARGV[2] ~= '' and ARGV[2] ~= '*' and ARGV[2] ~= etag then return { 'changed', etag } end
local held = redis.call('ZCARD', KEYS[4]) + redis.call('ZCARD', KEYS[5])
if held > 0 then return { 'held', tostring(held) } end
redis.call('DEL', KEYS[1], KEYS[6], KEYS[7], KEYS[8])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('PUBLISH', ARGV[3] .. 'pool-changed', ARGV[1])
local time = redis.call('TIME')
emit(ARGV[3], time[1] * 1000 + math.floor(time[2] / 1000), 'pool.deleted', 'pool', ARGV[1])
return { 'deleted' }

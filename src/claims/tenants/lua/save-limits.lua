--[[ Replaces the limits of a tenant, unless they have changed since the caller read them.
  KEYS[1] limits   hash  absent: no limits
  KEYS[2] tenants  zset  names by the time of their last claim, 0: none yet
  ARGV[1] tenant   ARGV[2] etag that must be there, '*' for any, '' for no condition   ARGV[3] etag of no limits
  ARGV[4…] fields of the hash: name, value, …
  Answers {'saved'} or {'changed', the etag that is there}. ]]
local etag = redis.call('HGET', KEYS[1], 'etag') or ARGV[3]
if ARGV[2] ~= '' and ARGV[2] ~= '*' and ARGV[2] ~= etag then return { 'changed', etag } end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('ZADD', KEYS[2], 'NX', 0, ARGV[1])
return { 'saved' }

--[[ Removes a template, unless it has changed since the caller read it.
  KEYS[1] template   hash
  KEYS[2] templates  zset
  ARGV[1] name   ARGV[2] etag that must be there, '*' for any, '' for no condition
  Answers 'removed', or {'changed', the etag that is there or ''}. ]]
local etag = redis.call('HGET', KEYS[1], 'etag')
if ARGV[2] ~= '' and not (etag and (ARGV[2] == '*' or ARGV[2] == etag)) then return { 'changed', etag or '' } end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 'removed'

--[[ Points an alias to a golden that is ready.
  KEYS[1] golden   hash
  KEYS[2] aliases  hash  alias → number
  ARGV[1] alias   ARGV[2] number   ARGV[3] channel
  Answers 'set', or the state of a golden that is not ready, '' when there is no such golden. ]]
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'ready' then return state or '' end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], '*')
return 'set'

--[[ One write, as small as it gets.
  KEYS[1] hash   ARGV[1] id ]]
return redis.call('HSET', KEYS[1], 'last', ARGV[1])

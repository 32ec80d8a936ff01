--- @include "./tell-node-state"
--[[ Records that a node lives.
  KEYS[1] node   hash     KEYS[2] nodes  set  names
  ARGV[1] key prefix   ARGV[2] name   ARGV[3…] fields of the hash: name, value, …
  Answers 1. ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'at', now, unpack(ARGV, 3))
redis.call('SADD', KEYS[2], ARGV[2])
tellNodeState(ARGV[1], now, ARGV[2], redis.call('HGET', KEYS[1], 'cordoned') == '1' and 'cordoned' or 'ready')
return 1

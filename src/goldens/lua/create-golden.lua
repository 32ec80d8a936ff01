--[[ Numbers a golden and records that its capture begins, unless one of the same template is under way.
  KEYS[1] number    counter of the template
  KEYS[2] goldens   zset  number by number
  KEYS[3] captures  hash  template → id of the golden under way
  KEYS[4] template  hash
  ARGV[1] template   ARGV[2] key prefix   ARGV[3…] further fields of the hash: name, value, …
  Answers {'created', id}, {'under_way', id of the other one} or {'no_template'}. ]]
--- @include "emit-event"

if redis.call('EXISTS', KEYS[4]) == 0 then return { 'no_template' } end
local other = redis.call('HGET', KEYS[3], ARGV[1])
if other then return { 'under_way', other } end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local number = redis.call('INCR', KEYS[1])
local id = ARGV[1] .. '@' .. number
local golden = ARGV[2] .. 'golden:' .. id
redis.call('HSET', golden, 'id', id, 'template', ARGV[1], 'number', number, 'state', 'capturing', 'createdAt', now, unpack(ARGV, 3))
redis.call('ZADD', KEYS[2], number, number)
redis.call('HSET', KEYS[3], ARGV[1], id)
local told = redis.call('HMGET', golden, 'node', 'operation')
emit(ARGV[2], now, 'golden.capturing', 'golden', id, 'template', ARGV[1], 'node', told[1], 'operation', told[2])
return { 'created', id }

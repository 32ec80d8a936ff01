--[[ Moves an alias from a golden that was found bad back to one it pointed to before, and notes on the bad one why. Of two who find it
  bad at once one moves it.
  KEYS[1] bad      hash  the golden
  KEYS[2] good     hash  the golden to go back to
  KEYS[3] aliases  hash  alias → number
  KEYS[4] moves    hash  alias → JSON, see record-move
  ARGV[1] alias   ARGV[2] number of the bad one   ARGV[3] number of the good one   ARGV[4] problem (JSON)
  ARGV[5] who   ARGV[6] how many moves are kept   ARGV[7] key prefix
  Answers 'moved'; 'moved_on' when the alias points elsewhere; 'never_there' when it did not point to the good one before;
  'no_way_back' when that one is not ready any more or was found bad itself. ]]
--- @include "emit-event"
--- @include "./record-move"

if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return 'moved_on' end
local wasThere = false
for _, move in ipairs(readMoves(KEYS[4], ARGV[1]).moves) do wasThere = wasThere or move.golden == tonumber(ARGV[3]) end
if not wasThere then return 'never_there' end
local good = redis.call('HMGET', KEYS[2], 'state', 'id', 'template', 'problem')
if good[1] ~= 'ready' or good[4] then return 'no_way_back' end

local problem = cjson.decode(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], 'problem', ARGV[4])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
recordMove(KEYS[4], ARGV[1], { golden = tonumber(ARGV[3]), at = now, by = ARGV[5], reason = problem.message }, tonumber(ARGV[6]))
redis.call('PUBLISH', ARGV[7] .. 'pool-changed', '*')
emit(ARGV[7], now, 'alias.moved', 'alias', ARGV[1], 'template', good[3], 'golden', good[2],
  'from', good[3] .. '@' .. ARGV[2], 'to', good[2], 'actor', ARGV[5], 'reason', problem.code)
return 'moved'

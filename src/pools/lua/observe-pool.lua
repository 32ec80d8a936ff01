--[[ Reads the live instances of a pool at one instant, and how many claims wait for one.
  KEYS[1] waiting  zset  claims   KEYS[2] those of them that take a cold start  zset   KEYS[3…] zsets of the pool, one per live state, id by stateAt
  ARGV[1] prefix of the instance hashes   ARGV[2…] for each of KEYS[3…]: its state, and how many of its newest to read, -1 for all
  Answers {now (ms), how many wait, how many of them take a cold start, {state, how many there are, {id, stateAt (ms), golden or '', node}, …}, …}. ]]
local time = redis.call('TIME')
local answer = { tostring(time[1] * 1000 + math.floor(time[2] / 1000)), redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]) }
for i, key in ipairs({ unpack(KEYS, 3) }) do
  local newest = tonumber(ARGV[2 * i + 1])
  local group = { ARGV[2 * i], redis.call('ZCARD', key) }
  local members = redis.call('ZRANGE', key, newest < 0 and 0 or -newest, -1, 'WITHSCORES')
  for m = 1, #members, 2 do
    local fields = redis.call('HMGET', ARGV[1] .. members[m], 'golden', 'node')
    if fields[2] then group[#group + 1] = { members[m], members[m + 1], fields[1] or '', fields[2] } end
  end
  answer[i + 3] = group
end
return answer

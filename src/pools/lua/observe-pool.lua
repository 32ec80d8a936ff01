--[[ Reads all live instances of a pool at one instant.
  KEYS[1…] zsets of the pool, one per live state, id by stateAt
  ARGV[1] prefix of the instance hashes   ARGV[2…] the state of each of KEYS
  Answers {now (ms), {id, state, stateAt (ms), golden or '', node}, …}. ]]
local time = redis.call('TIME')
local rows = { tostring(time[1] * 1000 + math.floor(time[2] / 1000)) }
for i, key in ipairs(KEYS) do
  local members = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for m = 1, #members, 2 do
    local fields = redis.call('HMGET', ARGV[1] .. members[m], 'golden', 'node')
    if fields[2] then rows[#rows + 1] = { members[m], ARGV[i + 1], members[m + 1], fields[1] or '', fields[2] } end
  end
end
return rows

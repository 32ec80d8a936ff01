--- @include "./waiting-line"
--[[ Ends a claim that has waited long enough, and tells how long it might have taken.
  ARGV[1] key prefix   ARGV[2] claim id   ARGV[3] why   ARGV[4] '1': its caller never learned its id
  No record is kept of what nobody knows of.
  Answers {state that was found or '', its place in line, how many wait}; a state other than 'waiting' means that nothing was changed. ]]
local prefix, claimId = ARGV[1], ARGV[2]
local claim = redis.call('HMGET', prefix .. 'claim:' .. claimId, 'state', 'tenant', 'lines', 'pool', 'known')
if claim[1] ~= 'waiting' then return { claim[1] or '', 0, 0 } end
local place = placeInLine(prefix, claim[4], claim[2], claimId)
local waiting = redis.call('ZCARD', prefix .. 'pool-waiting:' .. claim[4])
local time = redis.call('TIME')
forsake(prefix, time[1] * 1000 + math.floor(time[2] / 1000), claimId, claim[2], claim[3], ARGV[3])
if ARGV[4] == '1' and not claim[5] then
  redis.call('DEL', prefix .. 'claim:' .. claimId)
  for _, index in ipairs({ 'claims', 'ended-claims', 'tenant-claims:' .. claim[2] }) do redis.call('ZREM', prefix .. index, claimId) end
end
return { 'waiting', place, waiting }

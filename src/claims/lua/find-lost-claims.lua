--[[ Looks through a stretch of the claims that have not ended for those whose instance no longer serves them.
  KEYS[1] leases  zset  claims by when they are due
  ARGV[1] rank to begin at   ARGV[2] how many   ARGV[3] key prefix
  Answers {how many were looked at, claim id, …}. ]]
local ids = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[1] + ARGV[2] - 1)
local lost = { tostring(#ids) }
for _, id in ipairs(ids) do
  local claim = redis.call('HMGET', ARGV[3] .. 'claim:' .. id, 'state', 'instance')
  if claim[1] == 'active' or claim[1] == 'bound' then
    local instance = redis.call('HMGET', ARGV[3] .. 'instance:' .. claim[2], 'state', 'claim')
    if instance[2] ~= id or (instance[1] ~= 'claimed' and instance[1] ~= 'suspended') then lost[#lost + 1] = id end
  end
end
return lost

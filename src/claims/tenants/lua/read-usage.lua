--[[ Adds up what a tenant has used.
  KEYS[1] usage  hash  claims, instanceMs (of ended claims), since
  KEYS[2] held   zset  claims that hold an instance
  ARGV[1] key prefix
  Answers {claims, ms of instances, claims that hold one now, since (ms) or ''}. A reserved claim counts once it is bound. ]]
local usage = redis.call('HMGET', KEYS[1], 'claims', 'instanceMs', 'since')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ms, live = tonumber(usage[2]) or 0, 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local claim = redis.call('HMGET', ARGV[1] .. 'claim:' .. id, 'state', 'reservedAt')
  if claim[1] == 'active' or claim[1] == 'bound' then
    live = live + 1
    ms = ms + now - (tonumber(claim[2]) or now)
  end
end
return { usage[1] or '0', string.format('%d', ms), tostring(live), usage[3] or '' }

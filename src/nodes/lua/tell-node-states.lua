--- @include "./tell-node-state"
--[[ Writes an event for each node whose state is another than was told last.
  KEYS[1] nodes  set  names
  ARGV[1] key prefix   ARGV[2] a node is suspected after so many ms of silence   ARGV[3] and gone after so many
  Answers 1. ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local node = redis.call('HMGET', ARGV[1] .. 'node:' .. name, 'at', 'cordoned')
  if node[1] then
    local silent = now - tonumber(node[1])
    local state = node[2] == '1' and 'cordoned' or 'ready'
    if silent > tonumber(ARGV[3]) then
      state = 'gone'
    elseif silent > tonumber(ARGV[2]) then
      state = 'suspected'
    end
    tellNodeState(ARGV[1], now, name, state)
  end
end
return 1

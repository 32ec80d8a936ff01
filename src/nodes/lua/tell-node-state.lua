--- @include "emit-event"
-- Writes an event when the state of a node, which derives from the age of its heartbeat, is another than was told last.
local function tellNodeState(prefix, now, name, state)
  local key = prefix .. 'node:' .. name
  if redis.call('HGET', key, 'told') == state then return end
  redis.call('HSET', key, 'told', state)
  emit(prefix, now, 'node.' .. state, 'node', name)
end

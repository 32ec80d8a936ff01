-- Appends one event to the stream of events, in the same step as what it tells of (see src/platform/events.ts).
-- Names and values follow `type`; those without a value (nil, false or '') are left out. `now` in ms.
-- The stream is trimmed by whole nodes, so its length is about 100,000 and trimming costs nothing on most calls.
local function emit(prefix, now, type, ...)
  local fields = { ... }
  local entry = { 'at', string.format('%d', now), 'type', type }
  for i = 1, select('#', ...), 2 do
    local value = fields[i + 1]
    if value and value ~= '' then
      entry[#entry + 1] = fields[i]
      entry[#entry + 1] = tostring(value)
    end
  end
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 100000, '*', unpack(entry))
end

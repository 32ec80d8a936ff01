-- When a live claim ends unless something happens: its lease, the time to acknowledge it, or the time it may be idle. Each ms or ''.
local function leaseDue(expiresAt, ackBy, idleMs, activeAt)
  local due = tonumber(expiresAt)
  if tonumber(ackBy) then due = math.min(due, tonumber(ackBy)) end
  if tonumber(idleMs) and tonumber(activeAt) then due = math.min(due, tonumber(activeAt) + tonumber(idleMs)) end
  return due
end

-- A holder is warned a tenth of the lease before its end; half a second at least, a minute at most.
local function warnAt(now, expiresAt)
  return expiresAt - math.min(60000, math.max(500, (expiresAt - now) / 10))
end

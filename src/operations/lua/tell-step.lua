-- Tells that a step of an operation began or ended; to be included after emit-event. `step` as it stands in the list of steps.
-- An operation on a golden tells it by its own name too, so that who follows a template sees the steps.
local function tell_step(prefix, now, id, operation, step)
  local told = redis.call('HMGET', operation, 'kind', 'target')
  emit(prefix, now, 'operation.step',
    'operation', id, 'kind', told[1], 'target', told[2], 'golden', string.match(told[2], '^[^@]+@%d+$'),
    'step', step.name, 'state', step.state, 'tookMs', step.tookMs)
end

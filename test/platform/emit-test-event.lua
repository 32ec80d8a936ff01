--[[ Emits the one event that the test reads.
  ARGV[1] key prefix   ARGV[2] at (ms) ]]
--- @include "emit-event"
emit(ARGV[1], ARGV[2], 'claim.active', 'claim', 'clm_1', 'tenant', nil, 'pool', '', 'reason', false, 'golden', 'api@7', 'timingsMs', 12)
return 1

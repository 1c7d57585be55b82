-- Health of a Topology for Argo CD. Conditions say everything; see docs/argocd/README.md.

-- Reasons of Ready=False that somebody has to do something about. All others pass by themselves.
local broken = {
  ConfigMissing = true,
  Crashing = true,
  ImageUnavailable = true,
  PlanRefused = true,
  PodsUnschedulable = true,
}

local function health(status, message)
  return {status = status, message = message}
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing", "The topology is being deleted")
end
if obj.status == nil or obj.status.conditions == nil then
  return health("Progressing", "Waiting for the operator")
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local accepted, ready, flow = conditions.Accepted, conditions.Ready, conditions.FlowHealthy
if accepted == nil or ready == nil then
  return health("Progressing", "Waiting for the operator")
end
local generation = obj.metadata.generation
if generation ~= nil and (obj.status.observedGeneration or 0) < generation then
  return health("Progressing", "Waiting for the operator to look at the newest spec")
end

if accepted.status == "False" then
  return health("Degraded", accepted.reason .. ": " .. accepted.message)
end
if ready.reason == "Completed" then
  return health("Healthy", ready.message)
end
if ready.reason == "Stopped" or ready.reason == "Paused" then
  -- On its way between two states it is neither.
  if obj.spec.state == ready.reason then
    return health("Suspended", ready.message)
  end
  return health("Progressing", ready.message)
end
if ready.status ~= "True" then
  if broken[ready.reason] then
    return health("Degraded", ready.reason .. ": " .. ready.message)
  end
  return health("Progressing", ready.reason .. ": " .. ready.message)
end
if flow ~= nil and flow.status == "False" then
  return health("Degraded", flow.reason .. ": " .. flow.message)
end
return health("Healthy", ready.message)

-- The health of a WhatsAppChannel, for Argo CD. Each answer repeats the sentence that the channel's status says itself.

local function find(conditions, conditionType)
  for _, condition in ipairs(conditions) do
    if condition.type == conditionType then
      return condition
    end
  end
  return nil
end

local function answer(status, message)
  return {status = status, message = message}
end

if obj.metadata.deletionTimestamp ~= nil then
  return answer("Progressing", "The channel is being deleted.")
end
if obj.status == nil or obj.status.conditions == nil then
  return answer("Progressing", "The operator has not looked at the channel yet.")
end
if obj.metadata.generation ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  return answer("Progressing", "The operator has not looked at the last change yet.")
end

local ready = find(obj.status.conditions, "Ready")
if ready == nil then
  return answer("Progressing", "The operator has not looked at the channel yet.")
end
if ready.status == "True" then
  return answer("Healthy", ready.message)
end
if ready.reason == "Held" then
  return answer("Suspended", ready.message)
end
local stalled = find(obj.status.conditions, "Stalled")
if stalled ~= nil and stalled.status == "True" then
  return answer("Degraded", stalled.message)
end
return answer("Progressing", ready.message)

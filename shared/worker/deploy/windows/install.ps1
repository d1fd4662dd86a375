# Installs a worker as a Windows service, or replaces its program and its settings. Run it as administrator. It starts nothing.
#
#   .\install.ps1 -Name place-order-worker -Program .\place-order-worker.exe -Settings .\place-order.env
param(
    [Parameter(Mandatory = $true)] [string] $Name,
    [Parameter(Mandatory = $true)] [string] $Program,
    [Parameter(Mandatory = $true)] [string] $Settings
)
$ErrorActionPreference = 'Stop'

function Invoke-Program {
    $program, $arguments = $args
    & $program @arguments | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "$($args -join ' '): error $LASTEXITCODE" }
}

$folder = Join-Path $env:ProgramFiles $Name
$logs = Join-Path $env:ProgramData $Name
$key = "HKLM:\SYSTEM\CurrentControlSet\Services\$Name"

if (Test-Path $key) {
    # The file of the program is free after the end of the process, which is later than that of the service.
    $process = (Get-CimInstance Win32_Service -Filter "Name='$Name'").ProcessId
    Stop-Service $Name
    if ($process) { Wait-Process -Id $process -ErrorAction SilentlyContinue }
}
New-Item -ItemType Directory -Force $folder, $logs | Out-Null
Copy-Item $Program "$folder\$Name.exe"
if (-not (Test-Path $key)) {
    New-Service $Name -BinaryPathName "`"$folder\$Name.exe`" --service" | Out-Null
}

# A virtual account: it has no password, and the rights of a user.
Invoke-Program sc.exe config $Name obj= "NT SERVICE\$Name" start= delayed-auto
$rights = '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F', "NT SERVICE\${Name}:(OI)(CI)M"
Invoke-Program icacls.exe $logs /inheritance:r /grant:r @rights

# Also after a stop with an exit code, not only after a crash.
Invoke-Program sc.exe failure $Name reset= 86400 actions= restart/5000/restart/30000/restart/60000
Invoke-Program sc.exe failureflag $Name 1

# Settings may have passwords, and every user may read the keys of services.
$acl = Get-Acl $key
$acl.SetAccessRuleProtection($true, $false)
foreach ($sid in 'S-1-5-18', 'S-1-5-32-544') {
    $who = New-Object System.Security.Principal.SecurityIdentifier $sid
    $full = $who, 'FullControl', 'ContainerInherit', 'None', 'Allow'
    $acl.AddAccessRule((New-Object System.Security.AccessControl.RegistryAccessRule $full))
}
Set-Acl $key $acl
[string[]] $variables = Get-Content $Settings -Encoding UTF8 | Where-Object { $_ -match '^(?!LOG_FILE=)\w+=' }
$variables += "LOG_FILE=$logs\worker.log"
Set-ItemProperty $key Environment $variables -Type MultiString

# For the drain, when the system shuts down: 15 seconds more than DRAIN_SECONDS, and at least 43.
Set-ItemProperty $key PreshutdownTimeout 45000 -Type DWord

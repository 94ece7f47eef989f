// Where a resource stands in the AWS console.

const HOSTS = { aws: 'console.aws.amazon.com', 'aws-cn': 'console.amazonaws.cn', 'aws-us-gov': 'console.amazonaws-us-gov.com' };

const safe = encodeURIComponent;

// Path and fragment by service; a resource of another form has no link, because a wrong one costs more than none.
const PLACES = {
  codepipeline: ({ region, rest }) => !/[:/]/.test(rest) && `/codesuite/codepipeline/pipelines/${safe(rest)}/view?region=${region}`,
  codebuild: ({ region, account, rest }) => {
    const [kind, name] = split(rest, '/');
    if (kind === 'project') return `/codesuite/codebuild/${account}/projects/${safe(name)}?region=${region}`;
    return kind === 'report-group' && `/codesuite/codebuild/${account}/testReports/reportGroups/${safe(name)}?region=${region}`;
  },
  codedeploy: ({ region, rest }) => {
    const [kind, name] = split(rest, ':');
    if (kind === 'application') return `/codesuite/codedeploy/applications/${safe(name)}?region=${region}`;
    const [application, group] = split(name, '/');
    const place = `/codesuite/codedeploy/applications/${safe(application)}/deployment-groups/${safe(group)}?region=${region}`;
    return kind === 'deploymentgroup' && group !== '' && place;
  },
  codecommit: ({ region, rest }) => `/codesuite/codecommit/repositories/${safe(rest)}/browse?region=${region}`,
  s3: ({ rest }) => !rest.includes('/') && `/s3/buckets/${safe(rest)}`,
  kms: ({ region, rest }) => rest.startsWith('key/') && `/kms/home?region=${region}#/kms/keys/${safe(rest.slice(4))}`,
  cloudwatch: ({ region, rest }) => rest.startsWith('alarm:') && `/cloudwatch/home?region=${region}#alarmsV2:alarm/${safe(rest.slice(6))}`,
  iam: ({ rest }) => rest.startsWith('role/') && `/iam/home#/roles/details/${safe(rest.slice(rest.lastIndexOf('/') + 1))}`,
  ecr: ({ region, account, rest }) => {
    const place = `/ecr/repositories/private/${account}/${rest.slice(11).split('/').map(safe).join('/')}?region=${region}`;
    return rest.startsWith('repository/') && place;
  },
  secretsmanager: ({ region, rest }) => {
    const name = rest.slice(7).replace(/-[A-Za-z0-9]{6}$/, '');
    return rest.startsWith('secret:') && `/secretsmanager/secret?name=${safe(name)}&region=${region}`;
  },
  sns: ({ region, rest, uid }) => !rest.includes(':') && `/sns/v3/home?region=${region}#/topic/${safe(uid)}`,
  cloudtrail: ({ region, rest, uid }) => rest.startsWith('trail/') && `/cloudtrailv2/home?region=${region}#/trails/${safe(uid)}`,
};

function split(text, by) {
  const place = text.indexOf(by);
  return place < 0 ? [text, ''] : [text.slice(0, place), text.slice(place + 1)];
}

// The address of a resource in the console of its partition, or an empty text where it is not known.
export function consoleLink(uid) {
  const [arn, partition, service, region, account, ...rest] = uid.split(':');
  const parts = { region, account, rest: rest.join(':'), uid };
  const known = arn === 'arn' && Object.hasOwn(HOSTS, partition) && Object.hasOwn(PLACES, service) && parts.rest !== '';
  if (!known || uid.includes('*') || !/^[a-z0-9-]*$/.test(region) || !/^\d*$/.test(account)) return '';
  const place = PLACES[service](parts);
  return place ? `https://${HOSTS[partition]}${place}` : '';
}
